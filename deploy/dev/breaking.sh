#!/bin/sh
# Compare the contract with that of the last release tag: breaking.sh PROTO_PYTHON BUF FOLDER; the image is in FOLDER.
set -eu
python=$1 buf=$2 folder=$3

tag=$(git describe --tags --abbrev=0 2>/dev/null) || tag=
if [ -z "$tag" ]; then
  echo 'buf breaking: SKIPPED, there is no release tag to compare with'
  exit 0
fi
mkdir -p "$folder/released"
git archive "$tag" proto | tar -x -C "$folder/released"
"$python" "$folder/released/proto/generate.py" image "$folder/released.binpb"
"$buf" breaking "$folder/image.binpb" --against "$folder/released.binpb" --config proto/buf.yaml
echo "buf breaking: compatible with $tag"
