// @ts-check
// The other way round.
async function main() {
  for (const name of process.argv.slice(2)) {
    const required = require(name)
    const imported = await import(name)
    const other = Object.keys(required).find((key) => required[key] !== imported[key])
    if (other !== undefined) throw new Error(`There are two of ${other} in ${name}`)
  }
}

void main()
