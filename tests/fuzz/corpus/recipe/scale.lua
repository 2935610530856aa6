local scale = require "trainhost.scale"
return { scaling = { lr = scale.linear, batch = scale.global } }