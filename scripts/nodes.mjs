// @ts-check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { npmPackage } from './tools.mjs'

/** The lines of Node that the packages support. */
export const SUPPORTED = ['20', '22', '24', '26']

/**
 * The Nodes to test on: the one at hand first, then the other supported ones, or those of FORKSAFE_NODES.
 * @returns {{ name: string, major: string, find: () => Promise<string> }[]} `find` returns the path of its executable
 */
export function nodes(choice = process.env['FORKSAFE_NODES']) {
  const [here = ''] = process.versions.node.split('.')
  const majors = choice ? choice.split(',').map((major) => major.trim()) : [here, ...SUPPORTED]
  const wrong = majors.find((major) => !/^\d+$/.test(major))
  if (wrong !== undefined) {
    throw new Error(`Expected FORKSAFE_NODES to be a list like 20,22, got \`${choice}\``)
  }
  return [...new Set(majors)].map((major) =>
    major === here
      ? { name: process.versions.node, major, find: () => Promise.resolve(process.execPath) }
      : { name: major, major, find: () => fetchNode(major) },
  )
}

/** @param {string} major */
async function fetchNode(major) {
  const name = `node-${process.platform}-${process.arch}`
  const node = join(await npmPackage(`node${major}`, name, major), name, 'bin/node')
  const { stdout, error } = spawnSync(node, ['--version'], { encoding: 'utf8' })
  if (stdout?.startsWith(`v${major}.`)) return node
  throw new Error(`Expected ${node} to be Node ${major}, got ${error?.message ?? stdout}`)
}
