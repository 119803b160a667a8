# What dcac::client needs beyond dcac::core.  The build includes this file, and so does the installed package.
include(CMakeFindDependencyMacro)
find_dependency(Protobuf)  # before gRPC, whose configuration file expects its targets
find_dependency(gRPC CONFIG)
