#!/bin/sh
# Installs what benchmarks/gateway.py measures Coterie against, into .bench/ (which git ignores):
# nginx (the Debian package, unpacked and not installed: no root, no service; "apt-get update" first
# if the package is not found), LiteLLM's proxy in a venv of its own, and Portkey's gateway from npm.
#
#   benchmarks/peers/install.sh [nginx] [litellm] [portkey]      (default: all three)
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
bench="$root/.bench"
mkdir -p "$bench"

install_nginx() {
    if command -v nginx >/dev/null; then
        echo "nginx: already on the PATH"
        return
    fi
    if ! command -v apt-get >/dev/null; then
        echo "nginx: not a Debian system; put an nginx on the PATH" >&2
        return 1
    fi
    mkdir -p "$bench/deb"
    (cd "$bench/deb" && apt-get download nginx)
    dpkg -x "$bench"/deb/nginx_*.deb "$bench/nginx"
    "$bench/nginx/usr/sbin/nginx" -v
}

# LiteLLM pins the newest certifi and helpers of its own that not every index has yet; for a
# benchmark on the loopback any version of those does.
install_litellm() {
    "${PYTHON:-python3}" -m venv "$bench/litellm"
    "$bench/litellm/bin/pip" install -q --no-deps "litellm==1.109.*"
    "$bench/litellm/bin/python" "$(dirname "$0")/requirements_of.py" litellm proxy \
        certifi litellm-proxy-extras litellm-enterprise \
        >"$bench/litellm/requirements.txt"
    "$bench/litellm/bin/pip" install -q -r "$bench/litellm/requirements.txt"
    "$bench/litellm/bin/pip" list 2>/dev/null | grep -i '^litellm '
}

install_portkey() {
    # Its own choice of @hono/node-server does not stream on Node 20; 1.13.8 does.
    mkdir -p "$bench/portkey"
    (cd "$bench/portkey" &&
        printf '%s\n' '{"private": true, "dependencies": {"@portkey-ai/gateway": "*"},' \
            ' "overrides": {"@hono/node-server": "1.13.8"}}' >package.json &&
        npm install --silent --no-audit --no-fund)
    (cd "$bench/portkey" && npm ls --depth=1 @hono/node-server)
}

for peer in ${*:-nginx litellm portkey}; do
    "install_$peer"
done
