import { brokenHooks } from './broken/hooks.ts'
import { testBroken } from './broken/suite.ts'

await testBroken(brokenHooks)
