# One target for each function of the template; `sam build` gives ARTIFACTS_DIR.
build-CreateAgentFunction build-GetAgentFunction build-PublishAgentEventsFunction build-ActivateAgentFunction \
build-ManageApiKeysFunction build-RetryAgentsFunction: build-%:
	@python3 build/package.py $* --architecture $(ARCHITECTURE) --output "$(ARTIFACTS_DIR)"
