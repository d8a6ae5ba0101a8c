// oxlint-disable import/no-unassigned-import -- A style sheet gives nothing.
import DefaultTheme from 'vitepress/theme'
import './pictures.css'
import './site.css'

export default DefaultTheme
