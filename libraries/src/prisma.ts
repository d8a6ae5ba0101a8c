import { Pool } from '@forksafe/driver-pg'
import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from '../generated/prisma/client.ts'

export const pool = new Pool()
export const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
