// @ts-check
export { findChromium } from './servers/chromium-program.mjs'
