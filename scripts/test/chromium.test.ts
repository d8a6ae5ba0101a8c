import { spawnSync } from 'node:child_process'
import { findChromium } from '@forksafe/scripts/chromium'
import { expect, it } from 'vitest'

// The timeout includes the installation of Chromium.
const INSTALL_MILLIS = 300_000

it(
  'finds a Chromium that can be run',
  async () => {
    const { stdout } = spawnSync(await findChromium(), ['--version'], { encoding: 'utf8' })
    expect(stdout).toMatch(/^(Chromium|Google Chrome) \d+/)
  },
  INSTALL_MILLIS,
)
