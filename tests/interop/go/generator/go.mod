// The last release that has tars2go in the module itself.
module generator

go 1.19

require github.com/TarsCloud/TarsGo v1.1.1
