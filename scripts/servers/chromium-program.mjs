// @ts-check
import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { canInstall, install } from './debian.mjs'

const MORE_PLACES = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
const NAMES = ['chromium', 'chromium-browser', 'google-chrome']

/** @type {typeof import('../chromium.mjs').findChromium} */
export async function findChromium() {
  const there = onThisMachine() ?? (canInstall() ? await fromDebian() : undefined)
  if (there !== undefined) return there
  throw nothingFound()
}

async function fromDebian() {
  try {
    await install('chromium')
  } catch (error) {
    throw nothingFound(error)
  }
  return onThisMachine()
}

function onThisMachine() {
  const places = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean)
  return [...places, ...MORE_PLACES]
    .flatMap((place) => NAMES.map((name) => join(place, name)))
    .find((path) => spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0)
}

/** @param {unknown} [cause] */
function nothingFound(cause) {
  return new Error(
    'Found no Chromium that can be run. Install it, or Chrome, so that chromium or google-chrome is in PATH.',
    { cause },
  )
}
