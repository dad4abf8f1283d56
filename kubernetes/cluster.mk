# make cluster  a small Kubernetes on this machine (minikube), with the metrics server, the dashboard and our image
# make apply    everything of kubernetes/overlays/dev onto it; OVERLAY=prod: onto the cluster that kubectl is set to
# make hpa      autoscaling: the API by CPU, the consumers by waiting messages
# make re       builds the image again, applies, and restarts every process
# make delete   takes away what `make apply` made, with its data
# make clean    takes the cluster away too

OVERLAY ?= dev
CLUSTER := tidings
OVERLAYS := kubernetes/overlays
MINIKUBE = $(call needed,minikube) --profile $(CLUSTER)
# The dev overlay never lands on another cluster than ours.
KUBECTL = $(call needed,kubectl) $(if $(filter dev,$(OVERLAY)),--context $(CLUSTER)) --namespace tidings

needed = $(or $(shell command -v $(1) 2> /dev/null),$(error make $@ needs $(1), which is not on the PATH))

ifeq ($(OVERLAY),dev)
MAKE_SECRET = sh $(OVERLAYS)/dev/new-secret | $(KUBECTL) create secret generic tidings --from-env-file=/dev/stdin
else
MAKE_SECRET = { echo "the cluster has no Secret named tidings: docs/deployment.md says what belongs into it" >&2; exit 2; }
endif

.PHONY: cluster image apply hpa re delete forget-cluster

cluster:
	$(MINIKUBE) start --cni calico --addons metrics-server,dashboard
	$(MAKE) image

image:
	$(MINIKUBE) image build --tag tidings:dev --file compose/Dockerfile .

# The last migration's Job goes first, as a Job cannot be changed.
apply:
	$(KUBECTL) apply --filename $(OVERLAYS)/$(OVERLAY)/namespace.yaml
	@$(KUBECTL) get secret tidings > /dev/null 2>&1 || $(MAKE_SECRET)
	$(KUBECTL) delete job migrate --ignore-not-found
	$(KUBECTL) apply --kustomize $(OVERLAYS)/$(OVERLAY)
	$(KUBECTL) wait job/migrate --for condition=complete --timeout 30m
	$(KUBECTL) rollout status deployment/api --timeout 10m
	$(KUBECTL) rollout status deployment/producer --timeout 10m
	$(KUBECTL) rollout status deployment/consumers --timeout 10m

hpa:
	$(KUBECTL) apply --kustomize kubernetes/autoscaling/api
	if $(KUBECTL) get crd scaledobjects.keda.sh > /dev/null 2>&1; \
	then $(KUBECTL) apply --kustomize kubernetes/autoscaling/consumers-keda; \
	else $(KUBECTL) apply --kustomize kubernetes/autoscaling/consumers-hpa; fi

re: image apply
	$(KUBECTL) rollout restart deployment/api deployment/producer deployment/consumers

delete:
	$(if $(filter dev,$(OVERLAY)),,$(error make delete is for the dev overlay only: it takes the data away too))
	$(KUBECTL) delete --kustomize $(OVERLAYS)/$(OVERLAY) --ignore-not-found

clean: forget-cluster

forget-cluster:
	-@if command -v minikube > /dev/null; then minikube delete --profile $(CLUSTER); fi
