import { findProgram } from './find-program.ts'

/**
 * Finds a Chromium, or Chrome, that this process can run; as root on Debian installs one that is missing.
 * @returns its path
 * @throws if there is none, with a message that says what to install.
 */
export async function findChromium(): Promise<string> {
  const { path } = await findProgram(
    {},
    {
      names: ['chromium', 'chromium-browser', 'google-chrome'],
      places: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
      version: /(\d+(\.\d+)+)/,
      oldest: [0, 0],
      packages: ['chromium'],
      missing:
        'Found no Chromium that can be run. Install it, or Chrome, so that chromium or google-chrome is in PATH.',
    },
  )
  return path
}
