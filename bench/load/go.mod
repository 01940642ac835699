module twistedgw/bench/load

go 1.25
