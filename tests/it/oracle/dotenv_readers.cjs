// What the package `dotenv`, and Node.js itself, read: a JSON list of texts on stdin, and for each a
// list of the two objects on stdout.

const { parseEnv } = require("node:util");
const { readFileSync } = require("node:fs");
const { parse } = require(process.argv[2]);

const texts = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(texts.map((text) => [parse(text), parseEnv(text)])));
