import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder } from '../build/draw/all.mjs'
import { root } from '../build/repository.mjs'

interface Counts {
  readonly right: number
  readonly wrong: number
  readonly unanswered: number
  readonly backendsKept: number
  readonly byProcess: readonly unknown[]
}
interface Demo {
  readonly queriesPerProcess: number
  readonly plain: Counts
  readonly forksafe: Counts
}

test('the README shows the same run of the demo as the landing page', () => {
  const demo = JSON.parse(readFileSync(join(folder, 'demo.json'), 'utf8')) as Demo
  const { plain, forksafe, queriesPerProcess } = demo
  const readme = readFileSync(join(root, 'README.md'), 'utf8').replaceAll(/\s+/g, ' ')
  const all = (queriesPerProcess * plain.byProcess.length).toLocaleString('en')
  expect(plain.byProcess).toHaveLength(4)
  expect(plain.backendsKept).toBe(6)
  expect(readme).toContain(
    'a process with six connections in a plain `pg.Pool` forks three children',
  )
  expect(readme).toContain(`asks for ${queriesPerProcess} rows of its own`)
  expect(readme).toContain(
    `${plain.wrong} of the ${all} queries returned another query's row, without an error, and ${plain.unanswered} were never answered`,
  )
  expect(forksafe.right.toLocaleString('en')).toBe(all)
  expect(readme).toContain(`With forksafe, all ${all} answers were right`)
})
