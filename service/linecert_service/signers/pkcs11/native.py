"""Start and end a PKCS#11 module for use by several threads, which python-pkcs11 cannot.

python-pkcs11 calls `C_Initialize(NULL)`: "the application will not be accessing the library through multiple threads
simultaneously" (PKCS#11 v3.1, 5.4). SoftHSM then takes no locks, and two threads that sign make it crash. So a module
is started here, with CKF_OS_LOCKING_OK, and python-pkcs11 only uses it.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_ubyte, c_ulong, c_void_p
from typing import Final

_OK: Final = 0
_OS_LOCKING_OK: Final = 0x2
# On Windows the structures of PKCS#11 are packed, elsewhere they are not (PKCS#11 v3.1, 2.1).
_PACK: Final = 1 if os.name == "nt" else 0

_Function = ctypes.CFUNCTYPE(c_ulong, c_void_p)


class _FunctionList(ctypes.Structure):
    """The beginning of CK_FUNCTION_LIST."""

    _pack_ = _PACK
    _fields_ = (
        ("major", c_ubyte),
        ("minor", c_ubyte),
        ("initialize", _Function),
        ("finalize", _Function),
    )


class _InitializeArguments(ctypes.Structure):
    """CK_C_INITIALIZE_ARGS."""

    _pack_ = _PACK
    _fields_ = (
        ("create_mutex", c_void_p),
        ("destroy_mutex", c_void_p),
        ("lock_mutex", c_void_p),
        ("unlock_mutex", c_void_p),
        ("flags", c_ulong),
        ("reserved", c_void_p),
    )


class NativeModule:
    """The functions of a module that start and end it.

    Args:
        path: of the library, as the dynamic loader takes it.

    Raises:
        OSError: it cannot be loaded, or is no PKCS#11 module.
    """

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        functions = POINTER(_FunctionList)()
        try:
            get_function_list = library.C_GetFunctionList
        except AttributeError as error:
            raise OSError("it has no C_GetFunctionList") from error
        get_function_list.restype = c_ulong
        if get_function_list(byref(functions)) != _OK:
            raise OSError("C_GetFunctionList failed")
        self._library = library
        self._functions = functions.contents

    def initialize(self) -> int:
        """Start the module for several threads; returns 0 (CKR_OK) or what is wrong (CKR_...)."""
        arguments = _InitializeArguments(flags=_OS_LOCKING_OK)
        return int(self._functions.initialize(ctypes.addressof(arguments)))

    def finalize(self) -> int:
        """End the module, and with it all sessions; returns as `initialize`."""
        return int(self._functions.finalize(None))
