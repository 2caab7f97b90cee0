// The same in a page, which finds what it needs in `window.given` and tells its site.
import { tryAll } from "./transports.mjs";

const { address, token, descriptors } = window.given;
const bytes = Uint8Array.from(atob(descriptors), (character) => character.charCodeAt(0));
tryAll(address, token, bytes)
  .catch((error) => ({ error: String(error) }))
  .then((found) => fetch("/seen", { method: "POST", body: JSON.stringify(found) }));
