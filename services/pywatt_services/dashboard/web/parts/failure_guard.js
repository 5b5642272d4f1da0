// Keeps the page when one view fails, as with data of a form that it does not know.

import { Component, html } from "../vendor/htm-preact-3.1.1.js";

export class FailureGuard extends Component {
  constructor() {
    super();
    this.state = { error: null };
  }

  static getDerivedStateFromError(error) {
    return { error };
  }

  render({ children }, { error }) {
    if (!error) return children;
    return html`<p class="failure" role="alert">This view cannot be shown: ${String(error.message || error)}</p>`;
  }
}
