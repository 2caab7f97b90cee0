"""The synchronous client: generated from `rushes._async` (`make sync`), all but `seam`."""
