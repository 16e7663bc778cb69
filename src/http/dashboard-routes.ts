import type { Service } from '../serving/service.ts'
import { servePage } from './serve-page.ts'

/** `/dashboard`: what an operator sees and steers, with an API key or a token typed into it. */
export function addDashboardRoutes(app: Service): Promise<void> {
  return servePage(app, {
    address: '/dashboard',
    html: 'dashboard.html',
    folders: { page: 'dashboard', client: 'client', look: 'look' },
    permissions: 'microphone=(), camera=(), geolocation=()',
  })
}
