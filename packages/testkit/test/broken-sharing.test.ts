import { brokenSharing } from './broken/sharing.ts'
import { testBroken } from './broken/suite.ts'

await testBroken(brokenSharing)
