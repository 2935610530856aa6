local base = { train = {} }
base.train.epochs = 3
base.train = { 1, 2 }
return base