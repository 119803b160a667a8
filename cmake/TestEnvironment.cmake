# Read by ctest before it runs tests.  Servers of tests keep nothing unless they are told to: several of them run at a
# time, and none may touch the store of this machine.
set(ENV{DCAC_SERVER_STORE} none)
