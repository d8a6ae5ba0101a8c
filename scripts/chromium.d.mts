/**
 * The path of a Chromium, or Chrome, that this process can run; as root on Debian installs one that is missing.
 * @throws if there is none to be had, saying what to install.
 */
export function findChromium(): Promise<string>
