#!/bin/sh
#
# make-certificates.sh - an authority of your own, a server's certificate, and one for each device.
#
#     sh conf/examples/make-certificates.sh conf/certs lamp-7 lamp-8
#
# What is there already stays: run it again with further names when devices are added.  Keep
# authority.key somewhere else than on the server, which does not need it; who has it makes devices.

set -eu
umask 077

if [ $# -lt 2 ]; then
    echo "usage: $0 FOLDER DEVICE..." >&2
    exit 2
fi
folder=$1
shift
for device in "$@"; do
    case $device in
    '' | *[!A-Za-z0-9._-]*)
        echo "$0: \"$device\": a name has letters, digits, dots, _ and -" >&2
        exit 2
        ;;
    esac
done
days=${CERTIFICATE_DAYS:-825}
host=${SERVER_NAME:-localhost}
mkdir -p "$folder"

# A key of its own and what the others say, in one command each.
make_one() {
    name=$1
    shift
    if [ -e "$folder/$name.pem" ]; then
        echo "$folder/$name.pem is there already"
        return
    fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
        -keyout "$folder/$name.key" -out "$folder/$name.pem" "$@" 2>"$folder/$name.errors" || {
        cat "$folder/$name.errors" >&2
        rm -f "$folder/$name.key" "$folder/$name.pem" "$folder/$name.errors"
        exit 1
    }
    rm -f "$folder/$name.errors"
    echo "$folder/$name.pem"
}

# One that the authority vouches for.
make_signed() {
    make_one "$@" -CA "$folder/authority.pem" -CAkey "$folder/authority.key" -days "$days" \
        -addext basicConstraints=critical,CA:FALSE
}

make_one authority -subj "/O=Example/CN=Example authority" -days 3650
make_signed server -subj "/CN=$host" -addext "subjectAltName=DNS:$host,IP:127.0.0.1" \
    -addext extendedKeyUsage=serverAuth
for device in "$@"; do
    make_signed "$device" -subj "/CN=$device" -addext extendedKeyUsage=clientAuth
done
