# What .ci/run and .ci/slow share; they read it with `source`, in the repository's root.

# Put a clean copy of the work tree into a new folder, under git as a fresh clone is, and go there.
enter_clean_copy() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/clone"
  git ls-files --cached --others --exclude-standard -z |
    tar --null --files-from=- --create | tar --extract --directory="$work/clone"
  cd "$work/clone"
  git init --quiet
  git add --all
  git -c user.name=ci -c user.email=ci@localhost commit --quiet --message="A clean copy"
}

# Say what comes, and how long everything took so far.
section() {
  printf '\n── %s (after %d s)\n' "$1" "$SECONDS"
}

# Print a command of the README, which stands there once, under its marker.
readme_command() {
  local command
  command=$(awk -v marker="<!-- $1 command -->" \
    '$0 == marker {found = 1; next} found && /^```/ {fences++; next} found && fences == 1' README.md)
  [ -n "$command" ] || { echo "README.md has no $1 command" >&2; return 1; }
  printf '%s\n' "$command"
}

# Run a command in the shell as a reader would, with another Python as `python3` if one is given.
as_reader() {
  local command=$1 python=${2:-}
  printf '+ %s\n' "$command"
  if [ -n "$python" ]; then
    mkdir -p "$work/bin"
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$python" >"$work/bin/python3"
    chmod +x "$work/bin/python3"
    PATH="$work/bin:$PATH" bash -euo pipefail -c "$command"
  else
    bash -euo pipefail -c "$command"
  fi
}

# Fail if the repository is not as it was committed: what a reader runs must not change it.
expect_unchanged() {
  local changes
  changes=$(git status --porcelain)
  [ -z "$changes" ] || { printf '%s changed the repository:\n%s\n' "$1" "$changes" >&2; return 1; }
}

# Print the path of a Python of a version that makes virtual environments; nothing if none is found.
find_python() {
  local version=$1 candidate
  for candidate in "$(command -v "python$version")" \
    "$(command -v pyenv >/dev/null && ls -d "$(pyenv root)/versions/$version".*/bin/python 2>/dev/null | tail -n 1)" \
    "$(command -v uv >/dev/null && uv python find --no-python-downloads "$version" 2>/dev/null)"; do
    if [ -n "$candidate" ] && "$candidate" -c "import ensurepip, venv" >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
  done
}

# Run both commands of the README in a new environment, the second with further arguments of pytest.
check_readme() {
  local python=$1 arguments=$2
  rm -rf .venv
  as_reader "$(readme_command first)" "$python"
  expect_unchanged "The README's first command"
  as_reader "$(readme_command test) $arguments" "$python"
  expect_unchanged "The README's test command"
}
