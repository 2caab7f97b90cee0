"""The asyncio client. `rushes._sync` is generated from it, all but its `seam`."""
