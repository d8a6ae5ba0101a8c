// @ts-check
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findOrInstall, places } from './find-program.mjs'

const MORE_PLACES = ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin']
const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const NOTHING_FOUND =
  'Found no Chromium that can be run. Install it, or Chrome, so that chromium or google-chrome is in PATH.'

/** @type {typeof import('../chromium.mjs').findChromium} */
export async function findChromium() {
  return (await findOrInstall(onThisMachine, ['chromium'], NOTHING_FOUND)).program
}

function onThisMachine() {
  return places(...MORE_PLACES)
    .flatMap((place) => NAMES.map((name) => join(place, name)))
    .find((path) => spawnSync(path, ['--version'], { stdio: 'ignore' }).status === 0)
}
