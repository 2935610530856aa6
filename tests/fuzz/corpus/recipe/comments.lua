-- a
--[[ b
]] return { --[==[ c ]==] a = 1 }