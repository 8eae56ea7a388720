// What the function that docs/sync.md prints gives, for each line of JSON on standard input.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const page = readFileSync(process.argv[2], 'utf8')
const printed = page.match(/```js\n(const canonical = [\s\S]*?)```/)[1]
const canonical = new Function(`${printed}; return canonical`)()

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(canonical(JSON.parse(line))) + '\n')
}
