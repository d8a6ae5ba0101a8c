// @ts-check
// The other way round.
async function main() {
  for (const name of process.argv.slice(2)) {
    const required = require(name)
    if (required !== (await import(name))) throw new Error(`There are two of ${name}`)
  }
}

void main()
