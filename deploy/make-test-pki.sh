#!/bin/sh
# Certificates to try the broker's configuration with. Not for a plant: the authority's key lies unprotected
# beside the rest. There let the plant's own authority issue the same files.
#
#   make-test-pki.sh FOLDER [NAME...]
#
# Writes the authority plant-ca.crt, the broker's broker.crt (for localhost and this computer's name) and for
# each NAME a client certificate NAME.crt with its key NAME.key; the name is the user in the ACL. By default
# these are the clients of inspector.acl. What is there already is kept, so that names can be added later.
# DAYS is how long they are valid (default 365); a negative number makes expired ones.
# Only who runs this may read the keys: give each to the user that needs it.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: $0 FOLDER [NAME...]" >&2
    exit 2
fi
folder=$1
shift
[ $# -gt 0 ] || set -- station1 plc1 mes historian scada
days=${DAYS:-365}
umask 077
mkdir -p "$folder"
cd "$folder"

# issue NAME EXTENSIONS
issue() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
    printf '%s\n' "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA plant-ca.crt -CAkey plant-ca.key -CAcreateserial \
        -days "$days" -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    rm "$1.csr" "$1.ext"
}

if [ ! -e plant-ca.crt ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=Test authority" -keyout plant-ca.key -out plant-ca.crt \
        -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
fi
[ -e broker.crt ] || issue broker "extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,DNS:$(hostname),IP:127.0.0.1"
for name in "$@"; do
    [ -e "$name.crt" ] || issue "$name" "extendedKeyUsage=clientAuth"
done
echo "certificates in $(pwd)"
