// The fingerprint of a build: everything in which a plugin and the host must agree, as JSON text.
//
// Purpose: the registration macro (plugin.h) stamps it into the plugin's ELF note; the host
// compares it with its own before it loads the plugin. Must match: abi, libtorch, cxx11_abi,
// stdlib, glibcxx_debug, rtti, sanitizer, arch, cuda. A warning only: compiler, gxx_abi, cplusplus,
// ndebug.
//
// Rationale: libtorch is "none" in an object that does not include LibTorch (a probe), cuda is
// "none" in one that does not include the CUDA headers; the host accepts both.
#pragma once

#include <cstddef>  // for the standard library's own macros

#include "trainhost/abi_hash.h"  // generated: TRAINHOST_ABI_HASH, of the SDK's declarations

#if __has_include(<torch/headeronly/version.h>) && !defined(TRAINHOST_NO_LIBTORCH)
#include <torch/headeronly/version.h>
#define TRAINHOST_FP_LIBTORCH TORCH_VERSION
#else
#define TRAINHOST_FP_LIBTORCH "none"
#endif

#define TRAINHOST_STRINGIZE_(x) #x
#define TRAINHOST_STRINGIZE(x) TRAINHOST_STRINGIZE_(x)

#ifdef _GLIBCXX_USE_CXX11_ABI
#define TRAINHOST_FP_CXX11_ABI TRAINHOST_STRINGIZE(_GLIBCXX_USE_CXX11_ABI)
#else
#define TRAINHOST_FP_CXX11_ABI "none"
#endif

#ifdef _LIBCPP_VERSION
#define TRAINHOST_FP_STDLIB "libc++"
#else
#define TRAINHOST_FP_STDLIB "libstdc++"
#endif

#ifdef _GLIBCXX_DEBUG
#define TRAINHOST_FP_GLIBCXX_DEBUG "1"
#else
#define TRAINHOST_FP_GLIBCXX_DEBUG "0"
#endif

#ifdef __GXX_RTTI
#define TRAINHOST_FP_RTTI "1"
#else
#define TRAINHOST_FP_RTTI "0"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TRAINHOST_FP_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define TRAINHOST_FP_SANITIZER "thread"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRAINHOST_FP_SANITIZER "address"
#elif __has_feature(thread_sanitizer)
#define TRAINHOST_FP_SANITIZER "thread"
#endif
#endif
#ifndef TRAINHOST_FP_SANITIZER
#define TRAINHOST_FP_SANITIZER "none"
#endif

#if defined(__x86_64__)
#define TRAINHOST_FP_ARCH "x86_64"
#elif defined(__aarch64__)
#define TRAINHOST_FP_ARCH "aarch64"
#else
#define TRAINHOST_FP_ARCH "other"
#endif

#if defined(CUDART_VERSION)
#define TRAINHOST_FP_CUDA TRAINHOST_STRINGIZE(CUDART_VERSION)
#elif defined(CUDA_VERSION)
#define TRAINHOST_FP_CUDA TRAINHOST_STRINGIZE(CUDA_VERSION)
#else
#define TRAINHOST_FP_CUDA "none"
#endif

#if defined(__clang__)
#define TRAINHOST_FP_COMPILER \
  "clang " TRAINHOST_STRINGIZE(__clang_major__) "." TRAINHOST_STRINGIZE(__clang_minor__)
#else
#define TRAINHOST_FP_COMPILER \
  "gcc " TRAINHOST_STRINGIZE(__GNUC__) "." TRAINHOST_STRINGIZE(__GNUC_MINOR__)
#endif

#ifdef NDEBUG
#define TRAINHOST_FP_NDEBUG "1"
#else
#define TRAINHOST_FP_NDEBUG "0"
#endif

// clang-format off
/// A JSON object as a string literal.
#define TRAINHOST_FINGERPRINT_JSON                                                             \
  "{\"abi\":\"" TRAINHOST_ABI_HASH "\",\"libtorch\":\"" TRAINHOST_FP_LIBTORCH                  \
  "\",\"cxx11_abi\":\"" TRAINHOST_FP_CXX11_ABI "\",\"stdlib\":\"" TRAINHOST_FP_STDLIB          \
  "\",\"glibcxx_debug\":\"" TRAINHOST_FP_GLIBCXX_DEBUG "\",\"rtti\":\"" TRAINHOST_FP_RTTI      \
  "\",\"sanitizer\":\"" TRAINHOST_FP_SANITIZER "\",\"arch\":\"" TRAINHOST_FP_ARCH              \
  "\",\"cuda\":\"" TRAINHOST_FP_CUDA "\",\"compiler\":\"" TRAINHOST_FP_COMPILER                \
  "\",\"gxx_abi\":\"" TRAINHOST_STRINGIZE(__GXX_ABI_VERSION)                                   \
  "\",\"cplusplus\":\"" TRAINHOST_STRINGIZE(__cplusplus)                                       \
  "\",\"ndebug\":\"" TRAINHOST_FP_NDEBUG "\"}"
// clang-format on
