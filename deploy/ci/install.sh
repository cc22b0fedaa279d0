#!/bin/bash
# Installs what this machine lacks of the given sections of deploy/packages.txt. Usage: deploy/ci/install.sh SECTION...
# Does nothing, and needs neither root nor network, when everything is there.
set -euo pipefail
list=$(dirname "${BASH_SOURCE[0]}")/../packages.txt

packages_of() {
  awk -v wanted=" $* " '
    /^#/ || NF == 0 { next }
    /^\[/ { inside = index(wanted, " " substr($0, 2, length($0) - 2) " "); next }
    inside { print $1 }' "$list"
}

missing=()
for package in $(packages_of "$@"); do
  status=$(dpkg-query --show --showformat='${db:Status-Status} ' "$package" 2>/dev/null || true)
  [[ " $status" == *" installed "* ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $(id -u) != 0 ]]; then
  echo "These Debian packages are missing. Install them, or run this as root:" >&2
  echo "  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
options=(-q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
apt-get "${options[@]}" update
apt-get "${options[@]}" install --no-install-recommends "${missing[@]}"
