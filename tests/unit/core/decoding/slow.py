"""Files that are small and take long to decode."""

from io import BytesIO

from PIL import Image


def many_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan is there again and again: small, and slow to decode."""
    output = BytesIO()
    Image.new("L", (width, height)).save(output, "JPEG", progressive=True)
    data = output.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * scans + data[-2:]
