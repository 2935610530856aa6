# A sandbox for each case: a copy of the scripts, and a PATH that holds stand-ins and a few harmless
# real tools. A file that sources this defines functions case_*, then calls run_cases CHECKOUT.
# shellcheck shell=bash disable=SC2016,SC2034  # the bodies of stand-ins are expanded when they run
set -euo pipefail

real_bash=$(command -v bash)
real_python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null) || real_python=
harmless=(bash basename cat chmod cp cut date dirname env find flock grep head kill ln ls mkdir
  mktemp mv nproc readlink rm sed sleep sort tail tar touch tr xz)

die() {
  printf 'FAILED: %s\n' "$*" >&2
  [[ ! -f $box/err ]] || sed 's/^/  stderr: /' "$box/err" >&2
  [[ ! -f $box/out ]] || sed 's/^/  stdout: /' "$box/out" >&2
  [[ ! -f $box/calls ]] || sed 's/^/  called: /' "$box/calls" >&2
  exit 1
}

# stub NAME BODY: a stand-in that notes its call and runs BODY.
stub() {
  rm -f "$box/bin/$1"
  printf '#!%s\nprintf "%%s %%s\\n" "%s" "$*" >>"%s/calls"\n%s\n' \
    "$real_bash" "$1" "$box" "$2" >"$box/bin/$1"
  chmod +x "$box/bin/$1"
}

remove_tool() { rm -f "$box/bin/$1"; }

# run EXPECTED-CODE COMMAND...: output in $box/out and $box/err, calls of stand-ins in $box/calls.
run() {
  local expected=$1 code=0
  shift
  : >"$box/calls"
  # The outer redirection takes this shell's own word about a killed child.
  {
    env -i HOME="$box/home" PATH="$box/bin" "${variables[@]}" "$@" \
      </dev/null >"$box/out" 2>"$box/err"
  } 2>/dev/null || code=$?
  [[ $code == "$expected" ]] || die "exit code $code instead of $expected: $*"
}

says() { grep -qF -- "$1" "$box/err" || die "stderr does not say: $1"; }
silent() { [[ ! -s $box/err ]] || die "stderr is not empty"; }
prints() { grep -qxF -- "$1" "$box/out" || die "stdout lacks the line: $1"; }
starts() { [[ $(<"$box/out") == "$1"* ]] || die "stdout does not start with: $1"; }
prints_nothing() { [[ ! -s $box/out ]] || die "stdout is not empty"; }
called() { grep -qF -- "$1" "$box/calls" || die "was not called: $1"; }
not_called() { ! grep -q "^$1 " "$box/calls" || die "was called: $1"; }

# A machine on which everything is installed, with a compiler, a build tool and a package manager.
stub_machine() {
  stub uname 'case $1 in -s) echo Linux ;; *) echo x86_64 ;; esac'
  stub id 'echo 0'
  stub df 'printf "Filesystem 1024-blocks Used Available Capacity Mounted\nfs 9 9 99999999 1%% /\n"'
  stub tput 'echo 80'
  stub c++ 'echo 12.2.0'
  stub dpkg-query 'shift 3; for name; do echo "$name installed"; done'
  stub apt-get 'exit 0'
  stub cmake '
    [[ $1 != --version ]] || { echo "cmake version 3.25.1"; exit; }
    [[ $1 == -S && $3 == -B ]] || exit 9
    mkdir -p "$4"
    touch "$4/build.ninja"
    printf "CMAKE_HOME_DIRECTORY:INTERNAL=%s\nCMAKE_CACHEFILE_DIR:INTERNAL=%s\n" "$2" "$4" >"$4/CMakeCache.txt"'
  stub ninja '
    mkdir -p "$2/bin"
    echo "[1/1] Linking bin/trainhost"
    printf "%s\n" "#!/usr/bin/env bash" "printf \"%s\n\" \"\$@\" \"libtorch=\${TRAINHOST_LIBTORCH:-}\"" \
      "exit \${PROGRAM_CODE:-0}" >"$2/bin/trainhost"
    chmod +x "$2/bin/trainhost"'
  stub python3 '[[ $* == "-m pip --version" ]] || exit 9'
}

# fake_libtorch DIR VERSION: what tells a LibTorch folder, with nothing in it.
fake_libtorch() {
  local major minor patch
  IFS=. read -r major minor patch <<<"$2"
  mkdir -p "$1/include/ATen" "$1/include/torch/headeronly" "$1/lib"
  touch "$1/include/ATen/ATen.h" "$1/lib/libtorch_cpu.so" "$1/lib/libc10.so"
  printf '#define TORCH_VERSION_%s\n' "MAJOR $major" "MINOR $minor" "PATCH $patch" \
    >"$1/include/torch/headeronly/version.h"
}

# fake_bundle DIR: the folder that bootstrap makes, with the packages' lists of files.
fake_bundle() {
  local package
  fake_libtorch "$1/torch" 2.11.0
  mkdir -p "$1/nvidia/cu13/lib"
  echo data >"$1/nvidia/cu13/lib/libcudart.so.13"
  echo data >"$1/nvidia/cu13/lib/libcupti.so.13"
  for package in torch cudart cupti; do
    mkdir "$1/$package.dist-info"
    printf 'nvidia/cu13/lib/libcudart.so.13,sha256=x,5\n%s.dist-info/RECORD,,\n' "$package" \
      >"$1/$package.dist-info/RECORD"
  done
}

make_sandbox() {
  local tool folder
  mkdir -p "$box/bin" "$box/home" "$box/checkout"
  cp -R "$1/scripts" "$1/.ci" "$box/checkout/"
  for folder in sdk host plugins recipes; do mkdir "$box/checkout/$folder"; done
  touch "$box/checkout/CMakeLists.txt" "$box/checkout/host/main.cpp" "$box/checkout/host/old.cpp"
  for tool in "${harmless[@]}"; do ln -s "$(command -v "$tool")" "$box/bin/$tool"; done
  stub_machine
  variables=()
  cd "$box/checkout"
}

run_case() {
  box=$(mktemp -d)
  # shellcheck disable=SC2064
  trap "rm -rf '$box'" EXIT
  make_sandbox "$2"
  "$1"
}

run_cases() {
  local name code failed=0
  for name in $(compgen -A function case_); do
    # Not in a condition: there bash would overlook failing commands.
    set +e
    (set -e; run_case "$name" "$1")
    code=$?
    set -e
    if ((code == 0)); then
      echo "ok: $name"
    else
      echo "FAILED: $name"
      failed=1
    fi
  done
  return "$failed"
}
