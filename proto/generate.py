"""Make the committed stubs, or a descriptor image, from the .proto files.

Run by `make proto` and `make check` in the environment of proto/toolchain.txt, so that the stubs are made by one
protoc whatever the service itself runs on: stubs of an old protoc work with every protobuf up to the next major
version (https://protobuf.dev/support/cross-version-runtime-guarantee/), so a station need not have the newest.

    python proto/generate.py stubs OUT_DIR    # *_pb2.py, *_pb2.pyi and, for services, *_pb2_grpc.py below OUT_DIR
    python proto/generate.py image OUT_FILE   # FileDescriptorSet with imports and comments: buf cannot fetch google/rpc
"""

import sys
from importlib.resources import files
from pathlib import Path

import google.rpc
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
WELL_KNOWN = str(files("grpc_tools").joinpath("_proto"))
GOOGLE_APIS = str(Path(next(iter(google.rpc.__path__))).parents[1])
INCLUDES = [f"-I{folder}" for folder in (ROOT, WELL_KNOWN, GOOGLE_APIS)]


def sources() -> list[Path]:
    """The contract's files, relative to the include root."""
    return sorted(path.relative_to(ROOT) for path in (ROOT / "linecert").rglob("*.proto"))


def run(outputs: list[str], protos: list[Path]) -> int:
    """Run protoc; the exit status is protoc's."""
    return int(protoc.main(["protoc", *INCLUDES, *outputs, *map(str, protos)]))


def main(kind: str, target: str) -> int:
    """Make `kind` at `target`."""
    if kind == "image":
        return run([f"--descriptor_set_out={target}", "--include_imports", "--include_source_info"], sources())
    services = [proto for proto in sources() if "\nservice " in (ROOT / proto).read_text(encoding="utf-8")]
    messages = run([f"--python_out={target}", f"--pyi_out={target}"], sources())
    return messages or run([f"--grpc_python_out={target}"], services)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
