// The theme is set before anything is drawn, so that a dark page does not flash. A person's choice is kept in this
// browser; without one the system's holds.
document.documentElement.dataset.theme = localStorage.getItem('ichor.theme') || 'system';
