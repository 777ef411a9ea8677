// Swagger UI with its public options, and a plugin that folds what is not needed for a first request.

const OPERATIONS = ["createAgent", "getAgent"];
const READ_AGAIN_MILLISECONDS = 1000;

const dark = matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

function plugin({ React }) {
  const { createElement: make, Fragment, useEffect, useState } = React;

  const fold = (title, content, className) => make("details", { className }, make("summary", null, title), content);

  const info = (Original) => (props) => fold("About this API", make(Original, props));

  // The headers are filled in. They are rows of the table of all parameters, so the style sheet hides them while this
  // element is closed.
  const parameters = (Original) => (props) =>
    make(Fragment, null, fold("Headers", null, "headers"), make(Original, props));

  // The live response, apart from the description of all responses.
  const responses = (Original, { getComponent }) => (props) => {
    const response = props.tryItOutResponse;
    const live = response ? make(getComponent("liveResponse"), { ...props, response }) : "The response appears here.";
    const activation = isPending(response) && make(Activation, { ...props, response, key: response.get("text") });
    const codes = fold("Response codes", make(Original, { ...props, tryItOutResponse: null }), "codes");
    return make(Fragment, null, make("div", { className: "live" }, activation, live), codes);
  };

  const isPending = (response) =>
    response?.get("status") === 201 && JSON.parse(response.get("text")).status === "pending";

  // Reads an agent until its own ElevenLabs key was tried.
  function Activation({ response, specSelectors, path, method }) {
    const [agent, setAgent] = useState(JSON.parse(response.get("text")));
    const url = response.getIn(["headers", "location"]);
    const headers = specSelectors.requestFor(path, method).get("headers").toJS();
    const read = async () => setAgent(await (await fetch(url, { headers })).json());
    useEffect(() => {
      if (agent.status === "pending") setTimeout(read, READ_AGAIN_MILLISECONDS);
    }, [agent]);
    const result = make("pre", { className: "microlight" }, JSON.stringify(agent, null, 2));
    return fold(`GET ${url}: ${agent.status ?? agent.message}`, result);
  }

  // One operation is open at a time, so that it fits on the screen.
  const show = (original) => (what, isShown) => {
    if (what[0] === "operations") OPERATIONS.forEach((id) => original(["operations", "Agents", id], false));
    return original(what, isShown);
  };

  return {
    fn: {
      requestSnippetGenerator_curl: curl,
      requestSnippetGenerator_python: python,
      requestSnippetGenerator_javascript: javascript,
    },
    statePlugins: { layout: { wrapActions: { show } } },
    wrapComponents: { InfoContainer: info, parameters, responses },
  };
}

const ui = SwaggerUIBundle({
  dom_id: "#ui",
  url: "/openapi.json",
  validatorUrl: null, // the validator is on the Internet
  plugins: [plugin],
  tryItOutEnabled: true,
  defaultModelRendering: "model",
  defaultModelsExpandDepth: 0,
  requestSnippetsEnabled: true,
  requestSnippets: {
    languages: ["curl", "python", "javascript"],
    generators: {
      curl: { title: "curl", syntax: "bash" },
      python: { title: "Python", syntax: "python" },
      javascript: { title: "JavaScript", syntax: "javascript" },
    },
  },
  onComplete: () => {
    ui.preauthorizeApiKey("ApiKey", document.getElementById("ui").dataset.key);
    ui.layoutActions.show(["operations", "Agents", "createAgent"], true);
  },
  responseInterceptor: (response) => {
    if (response.status === 201) {
      ui.specActions.changeParam(["/v1/api/agents/{agentId}", "get"], "agentId", "path", response.obj._id, false);
    }
    return response;
  },
});
