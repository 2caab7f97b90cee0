// A process of a bench: it says hello, then answers each line of JSON with one, and ends when its
// standard input does (bench/harness/systems.py has the commands).
import { createInterface } from "node:readline";

export const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

export async function serve(hello, answer) {
  say(hello);
  for await (const line of createInterface({ input: process.stdin })) {
    say(await answer(JSON.parse(line)));
  }
  process.exit(0);
}

export const now = () => (performance.timeOrigin + performance.now()) / 1000;

// As bench/harness/systems.py writes it: the number of an event among its user's, and when it was.
export const stamp = (number, seconds) =>
  `${String(number).padStart(6, "0")} ${seconds.toFixed(6).padStart(17, "0")}`;

export const readStamp = (text) => [Number(text.slice(0, 6)), Number(text.slice(7))];
