// Small comforts. Every page works without them.
(function () {
  "use strict";
  var problems = document.querySelector("[data-focus]");
  if (problems) problems.focus();

  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
  // Back from the next page: the form may be sent again.
  window.addEventListener("pageshow", function () {
    document.querySelectorAll("form[data-sent]").forEach(function (form) { delete form.dataset.sent; });
  });

  document.querySelectorAll("[data-print]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { window.print(); });
  });

  var account = document.querySelector("details.account");
  if (account) {
    document.addEventListener("click", function (event) {
      if (account.open && !account.contains(event.target)) account.open = false;
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "Escape" && account.open) {
        account.open = false;
        account.querySelector("summary").focus();
      }
    });
  }

  // A last day that was never chosen follows the first.
  var first = document.getElementById("first_day"), last = document.getElementById("last_day");
  if (first && last && first.type === "date") {
    first.addEventListener("change", function () {
      last.min = first.value;
      if (!last.value || last.value < first.value) last.value = first.value;
    });
  }

  // A page that brings itself up to date leaves the reader where he is: what he reads stays in its place on the screen,
  // what he has marked stays marked. htmx puts the focus back by itself, by the id of what had it.
  var live = "live", stale = document.querySelector("[data-stale]"), place = null;
  function ours(event) { return event.target.id === live || (event.detail.target && event.detail.target.id === live); }
  function reading() {
    var marked = window.getSelection();
    return document.hidden || (marked && !marked.isCollapsed && document.getElementById(live).contains(marked.anchorNode));
  }
  document.addEventListener("htmx:beforeRequest", function (event) {
    if (ours(event) && reading()) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (!ours(event)) return;
    if (event.detail.xhr.status !== 200) return;
    if (event.detail.serverResponse.indexOf('id="' + live + '"') < 0) { // signed out: the sign-in page leads back here
      event.detail.shouldSwap = false;
      window.location.reload();
      return;
    }
    var scroll = document.getElementById("scroll");
    var top = Array.prototype.find.call(document.querySelectorAll("#" + live + " [id]"), function (e) {
      return e.getBoundingClientRect().top >= 0;
    });
    place = { id: top && top.id, top: top && top.getBoundingClientRect().top, left: scroll ? scroll.scrollLeft : 0 };
    if (window.scrollY === 0) place.id = null; // at the top of the page, one wants to see what is new there
  });
  document.addEventListener("htmx:afterSwap", function (event) {
    if (!ours(event) || !place) return;
    var top = place.id && document.getElementById(place.id), scroll = document.getElementById("scroll");
    if (scroll) scroll.scrollLeft = place.left;
    if (top) window.scrollBy(0, top.getBoundingClientRect().top - place.top);
    if (stale) stale.hidden = true;
    place = null;
  });
  ["htmx:sendError", "htmx:responseError", "htmx:timeout"].forEach(function (name) {
    document.addEventListener(name, function () { if (stale) stale.hidden = false; });
  });
})();
