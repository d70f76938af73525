"""What is text: all that UTF-8 can carry."""


def is_unicode(text: str) -> bool:
    """Whether `text` can be sent.

    Python keeps octets of an argument that are not UTF-8 as lone surrogates (PEP 383), and JSON can spell them out
    (RFC 8259, section 8.2); UTF-8 has none (RFC 3629, section 3).
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
