// @ts-check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { npmPackage } from './tools.mjs'

/** The supported lines of Node. */
export const SUPPORTED = ['20', '22', '24', '26']

/**
 * Returns the Nodes to test on: the current one, or those that FORKSAFE_NODES names. `all` means the current one and every other
 * supported line.
 * @returns {{ name: string, major: string, find: () => Promise<string> }[]} `find` returns the path of its executable
 */
export function nodes(choice = process.env['FORKSAFE_NODES']) {
  const [here = ''] = process.versions.node.split('.')
  return majorsOf(choice || here, here).map((major) =>
    major === here
      ? { name: process.versions.node, major, find: () => Promise.resolve(process.execPath) }
      : { name: major, major, find: () => fetchNode(major) },
  )
}

/**
 * @param {string} choice
 * @param {string} here
 */
function majorsOf(choice, here) {
  const majors =
    choice === 'all' ? [here, ...SUPPORTED] : choice.split(',').map((major) => major.trim())
  if (majors.every((major) => /^\d+$/.test(major))) return [...new Set(majors)]
  throw new Error(`Expected FORKSAFE_NODES to be all or a list like 20,22, got \`${choice}\``)
}

/** @param {string} major */
async function fetchNode(major) {
  const name = `node-${process.platform}-${process.arch}`
  const node = join(await npmPackage(`node${major}`, name, major), name, 'bin/node')
  const { stdout, error } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  if (stdout?.startsWith(`v${major}.`)) return node
  throw new Error(`Expected ${node} to be Node ${major}, got ${error?.message ?? stdout}`)
}
