// A shared object that is there, and does nothing.
extern "C" void trainhost_test_library() {}
