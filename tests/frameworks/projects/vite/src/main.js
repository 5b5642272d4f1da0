import { text } from './text.js'
import logo from './logo.svg?url'
import './style.css'

const show = value => { document.getElementById('text').textContent = value }
show(text)
window.loads = (window.loads ?? 0) + 1
window.logo = logo
if (import.meta.hot) import.meta.hot.accept('./text.js', module => show(module.text))
