// Symbol visibility. Everything is hidden by default; what crosses a plugin's border is marked.
#pragma once

/// A type whose type information must be one and the same in the host and in every plugin
/// (exceptions that are caught by type, interfaces that are cast).
#define TRAINHOST_API __attribute__((visibility("default")))
