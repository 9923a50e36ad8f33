/** What every page loads. */
import 'htmx.org'
import { startAway } from '../away.js'
import { startFlash } from '../flash.js'
import { startForms } from '../forms.js'
import { startKeys } from '../keys.js'
import { startLive, startLogAt } from '../live.js'
import { startConfirm, startCopy, startMenus } from '../overlays.js'
import { startNotices } from '../notices.js'
import { startScrolling } from '../scrolling.js'
import { startPalette } from '../palette.js'
import { startSteps } from '../steps.js'
import { startTables } from '../table.js'
import { startTheme } from '../theme.js'
import { startTimes } from '../times.js'
import { startToasts, toast } from '../toasts.js'

startTheme()
startTimes()
startToasts()
startMenus()
startCopy()
// Before anything else hears of a form that is sent.
startAway()
startConfirm()
startForms()
startSteps()
startTables()
startFlash()
startKeys()
startPalette()
startNotices()
startScrolling()
startLive()

// For the bundles of single pages: they share this page's one stream and its toasts.
Object.assign(window, { mooring: { startLogAt, toast } })
