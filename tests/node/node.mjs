// What the transports can do in Node: node.mjs ADDRESS TOKEN DESCRIPTORS prints it as JSON.
import { readFileSync } from "node:fs";
import { tryAll } from "./transports.mjs";

const [address, token, descriptors] = process.argv.slice(2);
console.log(JSON.stringify(await tryAll(address, token, readFileSync(descriptors))));
