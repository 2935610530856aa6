# Packages of PyPI that tests compare with, fetched once into .deps/. Sourced after common.sh, never
# run.
# shellcheck shell=bash disable=SC2154  # deps and root come from common.sh

# python_with_pip: prints a python3 that has pip (one inside a virtual environment may not).
python_with_pip() {
  local python
  while read -r python; do
    "$python" -m pip --version >/dev/null 2>&1 && printf '%s\n' "$python" && return
  done < <(type -ap python3)
  return 1
}

# python_packages PYTHON NAME REQUIREMENT...: prints a folder for PYTHONPATH that holds them. Fails,
# with pip's words on stderr, where they cannot be had.
python_packages() {
  local python=$1 name=$2 folder wanted work
  shift 2
  wanted="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') $*"
  folder=$deps/python-$name
  mkdir -p "$deps" || return
  exec 8>"$deps/.python-$name.lock"
  flock 8
  if [[ ! -f $folder/.trainhost-complete || $(<"$folder/.trainhost-complete") != "$wanted" ]]; then
    say "fetching $* into ${folder#"$root"/}"
    work=$(mktemp -d "$deps/tmp-python.XXXXXX") || return
    if ! "$python" -m pip --no-input --disable-pip-version-check install --quiet --retries 1 \
      --timeout 15 --target "$work" "$@" </dev/null >&2; then
      rm -rf "$work"
      return 1
    fi
    printf '%s\n' "$wanted" >"$work/.trainhost-complete"
    chmod 755 "$work"
    rm -rf "$folder"
    mv -T "$work" "$folder" || return
  fi
  exec 8>&-
  printf '%s\n' "$folder"
}
